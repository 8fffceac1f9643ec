"""GraphQL types of a title match."""

from __future__ import annotations

import strawberry

from app.db.tables import Domain
from app.graphql.directives import ListSize, cache_hints
from app.schema.cpus.types import CPU, Info
from app.titles.components import Components
from app.titles.matcher import TitleDecision, TitleMatchResult, TitleVerdict

# Of one title: more model numbers than anybody writes.
MAX_STEPS = 20


@strawberry.type(description="A number in a title that may be the model of a CPU, and what came of it.")
class TitleStep:
    text: str = strawberry.field(description="The words of the title, in lower case.")
    verdict: TitleVerdict = strawberry.field(description="What came of it.")
    name: str | None = strawberry.field(description="Name of the CPU that it may mean; null when there is none.")
    reason: str = strawberry.field(description="Why.")


@strawberry.type(description="A drive that a title tells of.")
class TitleStorage:
    size_gb: int = strawberry.field(description="Size in GB, as sold (1 TB is 1000).")
    kind: str | None = strawberry.field(description="SSD, NVMe SSD, HDD or eMMC; null when the title does not tell.")


@strawberry.type(description="What a title says is offered beside the CPU; null and empty where it does not say.")
class TitleParts:
    memory_gb: int | None = strawberry.field(description="Memory in all, GB.")
    memory_kind: str | None = strawberry.field(description="DDR3, DDR4, LPDDR5 ...")
    storage: list[TitleStorage] = strawberry.field(
        description="Drives.", directives=[ListSize(assumed_size=5)], default_factory=list
    )
    graphics: str | None = strawberry.field(description="Graphics card of its own; what is inside the CPU is none.")
    operating_system: str | None = strawberry.field(description="Operating system with its edition.")
    quantity: int = strawberry.field(description="How many are offered: 2 and more for pairs and lots.")

    @classmethod
    def of(cls, parts: Components) -> TitleParts:
        """From what was read."""
        return cls(
            memory_gb=parts.memory_gb,
            memory_kind=parts.memory_kind,
            storage=[TitleStorage(size_gb=each.size_gb, kind=each.kind) for each in parts.storage],
            graphics=parts.graphics,
            operating_system=parts.operating_system,
            quantity=parts.quantity,
        )


@strawberry.type(description="Which CPU a seller's title names, and how that was found out.")
class TitleMatch:
    decision: TitleDecision = strawberry.field(description="What came of it; there is a CPU only when MATCHED.")
    reason: str = strawberry.field(description="Why, in a sentence.")
    steps: list[TitleStep] = strawberry.field(
        description="Every number that may be a model, in the order of the title, and why it was kept or not.",
        directives=[ListSize(assumed_size=MAX_STEPS)],
    )
    parts: TitleParts = strawberry.field(description="What else the title says is offered.")
    cpu_key: strawberry.Private[int | None]

    @strawberry.field(
        description="The CPU; null when the title names none with certainty.",
        metadata=cache_hints(Domain.CATALOG, Domain.ANALYTICS),
    )
    async def cpu(self, info: Info) -> CPU | None:
        """By its id, batched."""
        return None if self.cpu_key is None else await CPU.load_node(info, self.cpu_key)

    @classmethod
    def of(cls, match: TitleMatchResult, parts: Components) -> TitleMatch:
        """From the match of a title and what else was read in it."""
        steps = [
            TitleStep(text=step.text, verdict=step.verdict, name=step.name, reason=step.reason)
            for step in match.steps[:MAX_STEPS]
        ]
        key = None if match.cpu is None else match.cpu.id
        return cls(decision=match.decision, reason=match.reason, steps=steps, parts=TitleParts.of(parts), key=key)
