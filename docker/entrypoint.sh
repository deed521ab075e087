#!/bin/sh
# Scans in /input become a submission to the challenge in /output; nothing is written elsewhere but to
# the folder for temporary files. Arguments go to cmda, for instance --device cpu.
set -eu

model=${CMDA_MODEL:-/opt/cmda/model.cmda}
input=${CMDA_INPUT:-/input}
output=${CMDA_OUTPUT:-/output}
challenge=${CMDA_CHALLENGE:-2022}
tasks=${CMDA_TASKS:-segment}

for task in $tasks; do
    case $task in
        segment | grade) ;;
        *)
            echo "error: CMDA_TASKS: expected segment, grade or both, got '$task'." >&2
            exit 2
            ;;
    esac
done

# A task that fails does not stop the other one, as a scan that fails does not stop the others.
status=0
for task in $tasks; do
    cmda "$task" "$model" "$input" "$output" --challenge "$challenge" "$@" || status=$?
done
exit "$status"
