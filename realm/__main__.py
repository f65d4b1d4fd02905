"""python -m realm: the same command as `realm`."""

from realm.cli.main import main

main(prog_name="realm")
