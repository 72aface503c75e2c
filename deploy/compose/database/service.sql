-- The API's role, when the database is made; `python -m records migrate --grant service` gives it its rights.
\set password `cat /run/secrets/database/service.password`
CREATE ROLE service LOGIN PASSWORD :'password';
