"""The text encoder and its tokenizer, from a model folder or a hub name."""

from transformers import AutoTokenizer, BertModel, PreTrainedTokenizerBase

from engine.errors import DataError


def load_text_encoder(name: str) -> tuple[BertModel, PreTrainedTokenizerBase]:
    """A BERT without pooler, and its tokenizer.

    Raises:
        DataError: the folder or name holds no BERT model and tokenizer.
    """
    try:
        model = BertModel.from_pretrained(name, add_pooling_layer=False)
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise DataError(
            f"text encoder {name}: cannot be loaded ({str(error).splitlines()[0]}); "
            "name a folder made by save_pretrained, or a hub model"
        ) from error
    return model, tokenizer
