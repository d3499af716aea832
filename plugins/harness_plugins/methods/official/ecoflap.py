"""ECoFLaP as released (ylsung/ECoFLaP, LAVIS/lavis/compression/pruners): all quirks at once."""

from harness.plugin import Recipe, hookimpl

ECOFLAP_OFFICIAL = Recipe(
    name="ecoflap-official",
    paper="ECoFLaP zeroth order as released in ylsung/ECoFLaP (MEZO-GradOnly_sum, Wanda).",
    score="zeroth-order-official",
    budget="capped-proportional-official",
    local=("wanda-official",),
    headroom=0.1,
)

ECOFLAP_FIRST_OFFICIAL = Recipe(
    name="ecoflap-first-official",
    paper="ECoFLaP first order as released in ylsung/ECoFLaP (GradMagAbs_sum, Wanda).",
    score="first-order",
    budget="capped-proportional-official",
    local=("wanda-official",),
    headroom=0.1,
)

ECOFLAP_FIRST_AOBD_OFFICIAL = Recipe(
    name="ecoflap-first-aobd-official",
    paper="ECoFLaP first order as in the first release of ylsung/ECoFLaP (aobd_sum, Wanda).",
    score="first-order-aobd-official",
    budget="capped-proportional-official",
    local=("wanda-official",),
    headroom=0.1,
)

ECOFLAP_SPARSEGPT_OFFICIAL = Recipe(
    name="ecoflap-sparsegpt-official",
    paper="ECoFLaP zeroth order as released in ylsung/ECoFLaP, then its copy of SparseGPT.",
    score="zeroth-order-official",
    budget="capped-proportional-official",
    local=("sparsegpt-ecoflap-official",),
    headroom=0.1,
)


@hookimpl
def harness_recipes() -> list[Recipe]:
    return [
        ECOFLAP_OFFICIAL,
        ECOFLAP_FIRST_OFFICIAL,
        ECOFLAP_FIRST_AOBD_OFFICIAL,
        ECOFLAP_SPARSEGPT_OFFICIAL,
    ]
