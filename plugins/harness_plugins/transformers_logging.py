"""What transformers logs goes where all logging goes."""


def join_logging() -> None:
    """Take away transformers' own handler, which prints beside whoever set logging up."""
    from transformers.utils import logging

    logging.disable_default_handler()
    logging.enable_propagation()
