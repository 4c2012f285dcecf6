"""The catalogue: entities and their bitemporal view."""

from afflux.kernel.catalog.entities import (
    DAY_S,
    ENTITY_TYPES,
    Advertiser,
    Approval,
    CommissionRule,
    Entity,
    FraudAction,
    FxRate,
    Goal,
    Landing,
    Link,
    Network,
    Offer,
    Partner,
    Postback,
    State,
    Terms,
)
from afflux.kernel.catalog.view import Catalog, Version

__all__ = [
    "DAY_S",
    "ENTITY_TYPES",
    "Advertiser",
    "Approval",
    "Catalog",
    "CommissionRule",
    "Entity",
    "FraudAction",
    "FxRate",
    "Goal",
    "Landing",
    "Link",
    "Network",
    "Offer",
    "Partner",
    "Postback",
    "State",
    "Terms",
    "Version",
]
