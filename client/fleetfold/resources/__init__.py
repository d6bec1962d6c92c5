"""The client's resources: one class for each noun of the fleet, as the attributes of a `Client`."""
