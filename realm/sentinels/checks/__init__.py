"""Checks: each looks at one thing of a home, changes nothing, and yields findings.

places    the table of the home: there, modes, groups, writable, mounts     settings  config.json, locked keys, hero
space     the disk                                                          daemons   running, heard, unclean ends
battle    seals and journal                                                 queue     quests, history, half-made ones
machine   Python, torch, threads, inotify, leases                           units     services of systemd
"""
