"""What both obvious programs share: the schema of products, and how they reach the parts."""

import json
import os

SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "Product",
        "namespace": "com.buyonline.products",
        "fields": [
            {"name": "product_id", "type": "string"},
            {"name": "name", "type": "string"},
            {"name": "category", "type": "string"},
            {
                "name": "price",
                "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
            },
            {
                "name": "updated_timestamp",
                "type": {"type": "long", "logicalType": "timestamp-micros"},
            },
        ],
    }
)


def kafka_properties() -> dict[str, str]:
    """Librdkafka's properties from the pipeline's environment."""
    return {
        "bootstrap.servers": os.environ["KAFKA_SERVER"],
        "security.protocol": os.environ["KAFKA_SECURITY_PROTOCOL"],
        "sasl.mechanism": os.environ["KAFKA_SASL_MECHANISM"],
        "sasl.username": os.environ["KAFKA_USERNAME"],
        "sasl.password": os.environ["KAFKA_PASSWORD"],
    }


def registry_properties() -> dict[str, str]:
    """The registry client's properties from the pipeline's environment."""
    e = os.environ
    login = f"{e['SCHEMA_USERNAME']}:{e['SCHEMA_PASSWORD']}"
    return {"url": e["SCHEMA_SERVER"], "basic.auth.user.info": login}
