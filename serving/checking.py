"""The files that settings name, tried before a worker is started.

One that can't be used would end each worker, and the supervisor would start the next one, for ever. What it takes to
read them is imported where there is something to be read.
"""

from __future__ import annotations

from serving.settings import Settings, refused


def check_files(settings: Settings) -> None:
    """Read each once.

    Raises:
        SettingsError: one can't be used.
    """
    if settings.keys_file is not None and settings.access != "open":
        from serving.access.keyfile import read_keys  # noqa: PLC0415  # see above
        from serving.access.keys import KeysError  # noqa: PLC0415  # the same

        with refused("KEYS_FILE", KeysError):
            read_keys(settings.keys_file)
    if settings.desk_proxies is not None and settings.desk_secret_file is not None:
        from serving.access.people import SecretError, read_secret  # noqa: PLC0415  # the same

        with refused("DESK_SECRET_FILE", SecretError):
            read_secret(settings.desk_secret_file)
