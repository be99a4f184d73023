"""What models consist of and compute, by formula: a test holds the parameter counts against the real models.

Operations are floating-point multiplications and additions of a forward pass.
"""

from engine.planning.shapes import TextShape, VisionShape, attention_parameters, feed_forward_parameters


def linear_parameters(inputs: int, outputs: int) -> int:
    """Weight and bias."""
    return inputs * outputs + outputs


def single_stream_parameters(text: TextShape, frame_size: int, classes: int) -> int:
    """Text encoder, frame projection and embeddings, classifier; without vision backbone."""
    return encoder_parameters(text, frame_size) + linear_parameters(text.hidden, classes)


def encoder_parameters(text: TextShape, frame_size: int) -> int:
    """What pre-training and fine-tuning share: text encoder, frame projection and embeddings."""
    entrance = linear_parameters(frame_size, text.hidden) + text.frame_embedding_parameters
    return text.parameters + entrance


def two_stream_parameters(
    text: TextShape, frame_size: int, classes: int, video_layers: int, cross_layers: int
) -> int:
    """The same entrance, a learned [CLS], layers over the frames, cross layers, classifier over both means."""
    cross = 3 * attention_parameters(text.hidden) + 2 * feed_forward_parameters(text.hidden, text.inner)
    return (
        encoder_parameters(text, frame_size)
        + text.hidden
        + video_layers * text.layer_parameters
        + cross_layers * cross
        + linear_parameters(2 * text.hidden, classes)
    )


def pretrain_parameters(text: TextShape, frame_size: int) -> int:
    """The encoder, a transform and a decoder for words (tied) and for frames, the matching head, a temperature."""
    transform = linear_parameters(text.hidden, text.hidden) + 2 * text.hidden
    words = transform + text.vocabulary
    frames = transform + linear_parameters(text.hidden, frame_size)
    return encoder_parameters(text, frame_size) + words + frames + linear_parameters(text.hidden, 2) + 1


def dual_encoder_parameters(text: TextShape, vision: VisionShape) -> int:
    """Both towers, the logit scale, and a projection of each to the smaller size where they differ."""
    sizes = (text.hidden, vision.hidden)
    projections = 0 if sizes[0] == sizes[1] else sum(sizes) * min(sizes)
    return text.parameters + vision.parameters + projections + 1


def layer_operations(hidden: int, inner: int, positions: float) -> float:
    """Operations of a layer over one sequence: its matrices, and each position looking at each."""
    return 2 * positions * (4 * hidden**2 + 2 * hidden * inner) + 4 * positions**2 * hidden


def cross_layer_operations(hidden: int, inner: int, tokens: float, frames: float) -> float:
    """Both streams look at each other, then at themselves, and go through a feed-forward block each."""
    matrices = 2 * (tokens + frames) * (8 * hidden**2 + 2 * hidden * inner)
    return matrices + 4 * hidden * (2 * tokens * frames + tokens**2 + frames**2)


def frame_operations(vision: VisionShape) -> float:
    """Operations of the backbone for one frame."""
    layers = vision.layers * layer_operations(vision.hidden, vision.inner, vision.tokens)
    return layers + 2 * (vision.tokens - 1) * vision.patch_parameters
