"""A stand-in for PostgreSQL's image, where no registry can be reached: Debian's package, and what the original does.

User, folders, variables and the making of a database are as in the original; of what else its entry point knows there
is nothing.
"""

from __future__ import annotations

import shlex

_ENTRY_POINT = """#!/bin/sh
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=trust
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    pg_ctl --wait -o "-c listen_addresses=" start
    createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
    for file in /docker-entrypoint-initdb.d/*.sql; do
        psql -v ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --file="$file"
    done
    pg_ctl --wait --mode=fast stop
fi
exec postgres -c "listen_addresses=*"
"""

_LINES = " ".join(shlex.quote(line) for line in _ENTRY_POINT.splitlines())

DOCKERFILE = f"""FROM python:3.11-slim
RUN groupadd --gid 999 postgres \\
    && useradd --uid 999 --gid 999 --home-dir /var/lib/postgresql --shell /bin/sh postgres \\
    && mkdir -p /etc/postgresql-common \\
    && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \\
    && apt-get -qq update \\
    && apt-get -qq install -y --no-install-recommends -o Dpkg::Options::=--force-confold postgresql > /dev/null \\
    && ln -s /usr/lib/postgresql/*/bin /usr/local/lib/postgresql \\
    && install -d -o postgres -g postgres -m 1777 /var/lib/postgresql/data /var/run/postgresql \\
    && printf '%s\\n' {_LINES} > /usr/local/bin/entry-point \\
    && chmod 755 /usr/local/bin/entry-point
ENV PATH=/usr/local/lib/postgresql:$PATH PGDATA=/var/lib/postgresql/data
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["entry-point"]
"""
