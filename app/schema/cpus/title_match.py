"""GraphQL types of a title match: which CPU a seller's title names, and why."""

from __future__ import annotations

import strawberry

from app.db.tables import Domain
from app.graphql.context import Info
from app.graphql.directives import ListSize, cache_hints
from app.graphql.enums import graphql_enum
from app.schema.cpus.types import CPU
from app.titles.components import Components
from app.titles.matcher import TitleDecision, TitleMatchResult, TitleVerdict

# More model numbers than titles have.
MAX_STEPS = 20


graphql_enum(
    TitleDecision,
    "Result of matching a title.",
    {
        "MATCHED": "The title names exactly one CPU of the catalogue with certainty.",
        "NO_MODEL": "The title has no model number of the catalogue.",
        "UNCLEAR": "The title has a model number, but other words contradict it or leave open which CPU is meant.",
        "SEVERAL": "The title names more than one CPU.",
        "REFUSED": "The title says that no CPU is sold.",
    },
)
graphql_enum(
    TitleVerdict,
    "Result for one model number in a title.",
    {
        "KEPT": "It names this CPU.",
        "VETOED": "It resembles this CPU, but names another one or leaves open which one.",
        "UNKNOWN": "It looks like a model number, but the catalogue does not have it.",
        "IGNORED": "It is not the model number of a CPU that is sold, but a price, memory, a graphics card or a "
        "comparison.",
    },
)


@strawberry.type(description="A number in a title that can be a CPU model, and the result for it.")
class TitleStep:
    text: str = strawberry.field(description="Words of the title, in lower case.")
    verdict: TitleVerdict = strawberry.field(description="Result for this number.")
    name: str | None = strawberry.field(description="Name of the CPU that the number can mean; null if there is none.")
    reason: str = strawberry.field(description="Reason for the verdict.")


@strawberry.type(description="A drive that a title mentions.")
class TitleStorage:
    size_gb: int = strawberry.field(description="Size in GB as sold: 1 TB is 1000 GB.")
    kind: str | None = strawberry.field(
        description="SSD, NVMe SSD, HDD or eMMC; null if the title does not mention it."
    )


@strawberry.type(description="Components that a title mentions in addition to the CPU.")
class TitleParts:
    memory_gb: int | None = strawberry.field(description="Total memory in GB; null if not mentioned.")
    memory_kind: str | None = strawberry.field(description="Memory type such as DDR4 or LPDDR5; null if not mentioned.")
    storage: list[TitleStorage] = strawberry.field(
        description="Drives; empty if not mentioned.", directives=[ListSize(assumed_size=5)], default_factory=list
    )
    graphics: str | None = strawberry.field(
        description="Discrete graphics card; null if not mentioned. Integrated graphics do not count."
    )
    operating_system: str | None = strawberry.field(
        description="Operating system with its edition; null if not mentioned."
    )
    quantity: int = strawberry.field(description="Number of items offered: 2 or more for pairs and lots.")

    @classmethod
    def of(cls, parts: Components) -> TitleParts:
        """Return the object for parsed components."""
        return cls(
            memory_gb=parts.memory_gb,
            memory_kind=parts.memory_kind,
            storage=[TitleStorage(size_gb=drive.size_gb, kind=drive.kind) for drive in parts.storage],
            graphics=parts.graphics,
            operating_system=parts.operating_system,
            quantity=parts.quantity,
        )


@strawberry.type(description="The CPU that a seller's title names, and how it was determined.")
class TitleMatch:
    decision: TitleDecision = strawberry.field(description="Result; there is a CPU only if it is MATCHED.")
    reason: str = strawberry.field(description="Reason for the decision, as a sentence.")
    steps: list[TitleStep] = strawberry.field(
        description=f"Numbers that can be CPU models, in the order of the title, at most {MAX_STEPS}.",
        directives=[ListSize(assumed_size=MAX_STEPS)],
    )
    parts: TitleParts = strawberry.field(description="Components that the title mentions in addition to the CPU.")
    cpu_key: strawberry.Private[int | None]

    @strawberry.field(
        description="The CPU; null unless the decision is MATCHED.",
        metadata=cache_hints(Domain.CATALOG, Domain.ANALYTICS),
    )
    async def cpu(self, info: Info) -> CPU | None:
        """Load the CPU by its key."""
        return None if self.cpu_key is None else await CPU.load_node(info, self.cpu_key)

    @classmethod
    def of(cls, match: TitleMatchResult, parts: Components) -> TitleMatch:
        """Return the object for a match and the parsed components of the same title."""
        steps = [
            TitleStep(text=step.text, verdict=step.verdict, name=step.name, reason=step.reason)
            for step in match.steps[:MAX_STEPS]
        ]
        return cls(
            decision=match.decision,
            reason=match.reason,
            steps=steps,
            parts=TitleParts.of(parts),
            cpu_key=None if match.cpu is None else match.cpu.id,
        )
