//! Tests of the whole system are in `tests/e2e`; the experiments of `make soak` are in `src/bin/soak`.
