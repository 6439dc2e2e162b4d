FROM python:3.13-slim

COPY pyproject.toml README.md LICENSE /src/
COPY gateway /src/gateway
RUN pip install --no-cache-dir /src && rm -r /src \
    && useradd --system gateway \
    && install -d -o gateway /var/cache/ibe-gateway

USER gateway
EXPOSE 8080
ENTRYPOINT ["ibe-gateway"]
CMD ["serve", "/srv/archive", "--host", "0.0.0.0"]
