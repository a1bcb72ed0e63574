"""Where a supervisor is asked to look: the limits that a shot's quality control is held to."""

from pydantic import Field

from reage.manifest.fields import ManifestModel


class QCLimits(ManifestModel):
    """Limits of quality control; a shot beyond one is delivered as `needs review`.

    Means are over the frames in which the effect is visible. Missing frames, pixels that are not
    numbers and any difference outside the matte always need review.
    """

    max_age_error: float = Field(
        default=10.0, gt=0, le=80, description="Mean of |measured - asked| apparent age, years."
    )
    min_identity: float = Field(
        default=0.5,
        ge=-1,
        le=1,
        description="Mean cosine of the identity embeddings of plate and result.",
    )
    max_flicker_excess: float = Field(
        default=0.25,
        gt=0,
        description="Mean excess of the result's flicker over the plate's; 0.25 is a quarter more.",
    )
    max_change_residual: float = Field(
        default=0.02,
        gt=0,
        le=1,
        description="Jump of the change from one frame to the next, in any frame, of full scale.",
    )
    min_sharpness_kept: float = Field(
        default=0.6, ge=0, description="Mean energy of fine detail, result over plate."
    )
    max_bridged_share: float = Field(
        default=0.1, ge=0, le=1, description="Share of frames in which the face was not seen."
    )
    max_faded_share: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Share of frames in which the effect is faded to less than a half.",
    )
