"""Look at a run, or at any volumes, in Neuroglancer: what there is, where it lies, and a server for it.

`layers` says what is shown and what is lacking, `run_layers` what of a run, `scene` where one looks, `server`
gives both to a browser, `browser` draws a scene into a file, and `links` are for documents that lead to a
point of a run.
"""
