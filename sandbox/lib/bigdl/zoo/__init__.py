"""The names of Analytics Zoo that programs beside BigDL use: `zoo` re-exports them."""
