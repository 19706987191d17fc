"""The stages as Parsl apps: each unpacks nothing, calls one function of `pipeline` and returns its artifact.

An app names the executor it runs on; every site has these three:
`head` for light tasks beside the driver, `train` for the one multi-rank task, `tiles` for the rest.
Arguments given as `after=` are only waited for. `targets` says what each app makes. Imports stand inside
the functions, so that the driver never loads TensorFlow and a worker loads only what its tasks need.
"""
