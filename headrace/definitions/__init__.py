"""What users declare: entities, sources, views and services, judged as far as a declaration alone allows."""

from headrace.declaring import Definition
from headrace.definitions.batch_source import BatchSource, RequestSource
from headrace.definitions.entity import Entity
from headrace.definitions.feature_view import FeatureRef, FeatureView
from headrace.definitions.functions import Function, function
from headrace.definitions.on_demand import OnDemandRef, OnDemandView
from headrace.definitions.schema import Subject, subject
from headrace.definitions.service import FeatureService
from headrace.definitions.stream_source import StreamSource
from headrace.definitions.transforms import Transform, transform
from headrace.definitions.update_source import UpdateSource
from headrace.definitions.windowing import hopping, lifetime, rolling, session, tumbling

__all__ = [
    "BatchSource",
    "Definition",
    "Entity",
    "FeatureRef",
    "FeatureService",
    "FeatureView",
    "Function",
    "OnDemandRef",
    "OnDemandView",
    "RequestSource",
    "StreamSource",
    "Subject",
    "Transform",
    "UpdateSource",
    "function",
    "hopping",
    "lifetime",
    "rolling",
    "session",
    "subject",
    "transform",
    "tumbling",
]
