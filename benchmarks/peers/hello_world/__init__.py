"""BentoML's hello-world: what a service that does nothing takes to start and to hold."""
