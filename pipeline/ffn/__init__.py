"""The flood-filling network: its layers in Keras, its weights as files, published checkpoints."""
