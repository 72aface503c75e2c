"""What surrounds the routes: settings, the edge, logs, metrics, and where model and policy come from."""

SERVICE_NAME = "credit-risk-api"
SERVICE_VERSION = "1.0.0"
