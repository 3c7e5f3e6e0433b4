"""What hosts and the authors of adapters test with. It needs the extra: `pip install 'orchestrion[testing]'`.

`orchestrion.testing.conformance` is the suite that every adapter passes.
"""
