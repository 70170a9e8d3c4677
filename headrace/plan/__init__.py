"""Plans: definitions compiled to what runs. Everything is resolved and type-checked here, once."""

from headrace.plan.rows import Accepted, Projected
from headrace.plan.source import SourcePlan
from headrace.plan.view import ViewPlan, plan_view

__all__ = ["Accepted", "Projected", "SourcePlan", "ViewPlan", "plan_view"]
