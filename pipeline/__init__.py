"""The science of the workflow: plain functions over volumes, with neither Parsl nor a site in sight."""

from pipeline.machine.user import do_without_home, do_without_token, look_briefly_for_a_role

do_without_home()  # before the first import of CloudVolume, in every process
do_without_token()
look_briefly_for_a_role()
