#!/bin/sh
# Plays the process that runs a topology: brings up every instance of the plan, exports one set of metrics, and waits for
# commands. `--plan FILE` comes first.
tr '{' '\n' < "$2" | while read -r line; do
    case $line in
    '"id":'*)
        container=${line#*:}
        container=${container%%,*}
        ;;
    '"component":'*)
        component=${line#*:\"}
        component=${component%%\"*}
        task=${line#*\"taskId\":}
        task=${task%%,*}
        printf '{"event":"instance","instance":"container_%s_%s_%s","state":"up"}\n' "$container" "$component" "$task"
        ;;
    esac
done
echo '{"event":"running"}'
cat "$(dirname "$0")/events.jsonl"
while read -r command; do
    case $command in
    *kill*) exit 0 ;;
    *deactivate*) echo '{"event":"state","state":"PAUSED"}' ;;
    *activate*) echo '{"event":"state","state":"RUNNING"}' ;;
    esac
done
