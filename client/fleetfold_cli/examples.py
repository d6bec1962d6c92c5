"""One example of each command, as its `--help` and the reference show it, and the verbs that it calls."""

from __future__ import annotations

import inspect

from cyclopts import App

__all__ = ["CALLS", "EXAMPLES", "add_examples", "commands"]

EXAMPLES = {
    "demo": "fleetfold demo --exit",
    "up": "fleetfold up --port 4222",
    "broker": "fleetfold broker --host 0.0.0.0 --tls",
    "master": "fleetfold master --database postgresql://db/fleet",
    "child": "fleetfold child --name shop --collection products=products.jsonl --actions shop:ACTIONS",
    "nodes list": "fleetfold nodes list --where 'type=shop and documents>0'",
    "nodes show": "fleetfold nodes show shop",
    "nodes ping": "fleetfold nodes ping shop blog --timeout 2",
    "nodes discover": "fleetfold nodes discover --timeout 2",
    "nodes stats": "fleetfold nodes stats",
    "nodes update": "fleetfold nodes update shop --state maintenance",
    "nodes remove": "fleetfold nodes remove shop",
    "nodes reconcile": "fleetfold nodes reconcile shop --accept",
    "nodes invite": "fleetfold nodes invite shop --expires 15m",
    "nodes approve": "fleetfold nodes approve shop",
    "nodes revoke": "fleetfold nodes revoke shop",
    "search": 'fleetfold search "a dry tent" --node shop --limit 5',
    "ask": 'fleetfold ask "why does my stove fail in the cold?"',
    "judge": 'fleetfold judge "a dry tent" shop/products/TNT-204 3',
    "quality": "fleetfold quality --since 7d",
    "quality click": 'fleetfold quality click "a dry tent" shop/products/TNT-204 1',
    "quality forget": 'fleetfold quality forget "a dry tent"',
    "cache stats": "fleetfold cache stats",
    "cache popular": "fleetfold cache popular --limit 10",
    "cache warm": "fleetfold cache warm --limit 10",
    "cache clear": "fleetfold cache clear",
    "run": "fleetfold run shop reserve_stock sku=TNT-204 quantity=2",
    "jobs list": "fleetfold jobs list --state running --since 1h",
    "jobs show": "fleetfold jobs show reserve-4711",
    "jobs follow": "fleetfold jobs follow reserve-4711 --timeout 60",
    "jobs cancel": "fleetfold jobs cancel reserve-4711",
    "tx run": "fleetfold tx run order.toml --id order-4711",
    "tx list": "fleetfold tx list --state parked",
    "tx show": "fleetfold tx show order-4711",
    "tx cancel": 'fleetfold tx cancel order-4711 --why "ordered twice"',
    "tx retry": 'fleetfold tx retry order-4711 --why "the disk is empty again"',
    "tx skip": 'fleetfold tx skip order-4711 charge --why "refunded by hand"',
    "tx resolve": 'fleetfold tx resolve order-4711 rolled_back --why "all set right"',
    "tx follow": "fleetfold tx follow order-4711",
    "definitions put": "fleetfold definitions put order.yaml",
    "definitions list": "fleetfold definitions list",
    "definitions show": "fleetfold definitions show order@1",
    "definitions remove": "fleetfold definitions remove order",
    "schedules list": "fleetfold schedules list",
    "schedules show": "fleetfold schedules show nightly --firings 5",
    "schedules put": "fleetfold schedules put nightly.toml",
    "schedules remove": "fleetfold schedules remove nightly",
    "schedules pause": "fleetfold schedules pause nightly",
    "schedules resume": "fleetfold schedules resume nightly",
    "schedules fire": "fleetfold schedules fire nightly",
    "schedules next": 'fleetfold schedules next --cron "30 3 * * *" --timezone Europe/Berlin',
    "dead-letters list": "fleetfold dead-letters list --node shop --since 1d",
    "dead-letters show": "fleetfold dead-letters show 3f2a9c0d11e8b745",
    "dead-letters retry": "fleetfold dead-letters retry --all --reason expired",
    "dead-letters drop": "fleetfold dead-letters drop 3f2a9c0d11e8b745",
    "masters list": "fleetfold masters list",
    "masters reconcile": "fleetfold masters reconcile",
    "backup create": "fleetfold backup create /backup --passphrase-file backup.passphrase --keep 7",
    "backup list": "fleetfold backup list /backup",
    "backup verify": "fleetfold backup verify /backup",
    "backup restore": "fleetfold backup restore /backup --data /var/lib/fleetfold --passphrase-file backup.passphrase",
    "backup export": "fleetfold backup export fleet.json",
    "backup import": "fleetfold backup import fleet.json --dry-run",
    "keys create": "fleetfold keys create billing --role publisher --nodes shop --expires 30d",
    "keys list": "fleetfold keys list --revoked",
    "keys rotate": "fleetfold keys rotate billing",
    "keys revoke": "fleetfold keys revoke billing",
    "keys broker": "fleetfold keys broker --output auth.conf",
    "keys webhook": "fleetfold keys webhook",
    "certs": "fleetfold certs --host fold.example.com --days 365",
    "config check": "fleetfold config check --config fleet.toml",
    "audit": "fleetfold audit --node shop --since 1h",
    "node-audit": "fleetfold node-audit shop --since 1h",
    "whoami": "fleetfold whoami",
    "version": "fleetfold version",
    "--install-completion": "fleetfold --install-completion --shell bash",
}

CALLS = {
    "nodes list": "nodes.list",
    "nodes show": "nodes.get",
    "nodes ping": "nodes.ping nodes.list",
    "nodes discover": "nodes.discover",
    "nodes stats": "nodes.stats",
    "nodes update": "nodes.update",
    "nodes remove": "nodes.remove",
    "nodes reconcile": "nodes.reconcile",
    "nodes invite": "nodes.invite",
    "nodes approve": "nodes.approve",
    "nodes revoke": "nodes.revoke",
    "search": "search.query",
    "ask": "ask.question",
    "judge": "quality.judge",
    "quality": "quality.report",
    "quality click": "quality.click",
    "quality forget": "quality.forget",
    "cache stats": "cache.stats",
    "cache popular": "cache.popular",
    "cache warm": "cache.warm",
    "cache clear": "cache.clear",
    "run": "actions.run jobs.wait jobs.follow actions.submit jobs.ended nodes.list",
    "jobs list": "jobs.list",
    "jobs show": "jobs.get",
    "jobs follow": "jobs.follow",
    "jobs cancel": "jobs.cancel",
    "tx run": "transactions.run transactions.wait",
    "tx list": "transactions.list",
    "tx show": "transactions.get",
    "tx cancel": "transactions.cancel",
    "tx retry": "transactions.retry",
    "tx skip": "transactions.skip",
    "tx resolve": "transactions.resolve",
    "tx follow": "transactions.follow",
    "definitions put": "definitions.put",
    "definitions list": "definitions.list",
    "definitions show": "definitions.get",
    "definitions remove": "definitions.remove",
    "schedules list": "schedules.list",
    "schedules show": "schedules.get",
    "schedules put": "schedules.put",
    "schedules remove": "schedules.remove",
    "schedules pause": "schedules.pause",
    "schedules resume": "schedules.resume",
    "schedules fire": "schedules.fire",
    "schedules next": "schedules.get",
    "dead-letters list": "dead_letters.list",
    "dead-letters show": "dead_letters.get",
    "dead-letters retry": "dead_letters.retry dead_letters.list",
    "dead-letters drop": "dead_letters.drop dead_letters.list",
    "masters list": "masters.list",
    "masters reconcile": "masters.reconcile",
    "keys create": "keys.create",
    "keys list": "keys.list",
    "keys rotate": "keys.rotate keys.sign",
    "keys revoke": "keys.revoke",
    "config check": "keys.list",
    "audit": "audit.list access.stats",
    "node-audit": "nodes.audit",
    "whoami": "access.whoami",
}
"""Names of the verbs that a command may call, separated by spaces. The others call none."""


def commands(app: App, path: tuple[str, ...] = ()) -> dict[str, App]:
    """Every command that does something, by the words behind `fleetfold`."""
    found: dict[str, App] = {}
    for name in app:
        command = app[name]
        if command.default_command is not None and name not in {*app.help_flags, *app.version_flags}:
            found[" ".join((*path, name))] = command
        if not name.startswith("-"):
            found |= commands(command, (*path, name))
    return found


def add_examples(app: App) -> None:
    """Put its example behind what each command's help says."""
    for name, command in commands(app).items():
        if name in EXAMPLES:
            command.help = f"{inspect.cleandoc(command.help)}\n\nExample: `{EXAMPLES[name]}`"
