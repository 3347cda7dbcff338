"""Commands that change manifests: from what is asked for to what is saved."""
