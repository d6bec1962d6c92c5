# fleetfold for containers: one image for the master, the children and the command line.
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY broker broker
COPY child child
COPY client client
COPY master master
COPY shared shared
RUN python -m venv /opt/fleetfold && /opt/fleetfold/bin/pip install --no-cache-dir '.[all]'

FROM python:3.11-slim
COPY --from=build /opt/fleetfold /opt/fleetfold
RUN useradd --uid 10001 --create-home fleetfold && install -d -m 0700 -o fleetfold -g fleetfold /data /keys /children/shop /children/blog /children/crm \
    && install -d -o fleetfold -g fleetfold /identity
ENV PATH=/opt/fleetfold/bin:$PATH PYTHONUNBUFFERED=1 FLEETFOLD_LOG_FORMAT=json
USER fleetfold
WORKDIR /data
VOLUME /data
ENTRYPOINT ["fleetfold"]
CMD ["--help"]
