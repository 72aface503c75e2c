# The service's image with Ray in it, for deploy/kubernetes/portfolio-ray: docs/portfolio.md.
ARG IMAGE=credit-risk-api:1.0.0
FROM ${IMAGE}
LABEL org.opencontainers.image.title="credit-risk-api-ray"
USER 0
COPY requirements-ray.txt /tmp/requirements-ray.txt
# What the image has already is in this lock too, in the same versions.
RUN /usr/local/bin/python -m pip --python /app/.venv/bin/python --no-cache-dir --disable-pip-version-check --quiet \
        install --no-deps --require-hashes --root-user-action=ignore --requirement /tmp/requirements-ray.txt \
    && rm /tmp/requirements-ray.txt
USER 1034
HEALTHCHECK NONE
ENTRYPOINT []
CMD ["python", "-m", "portfolio", "--help"]
