#!/bin/sh
# What wbatch is for, offline: label, kill, carry on, score, a night, the costs. Called by
# `make demo`; needs no key.
set -eu
wbatch=${1:-wbatch}
case $wbatch in /*) ;; */*) wbatch=$PWD/$wbatch ;; esac
rows=200
rm -rf demo
"$wbatch" -q init --kind label demo
"$wbatch" -q init --kind nightly demo/nightly
"$wbatch" -q init --kind costs demo/costs
cd demo

step() { printf '\n\033[1m%s\033[0m\n' "$1"; }
show() { printf '$ %s\n' "$*"; }
# The twenty reviews ten times, each with an id of its own.
many() {
    head -n 1 "$1"
    i=0
    while [ $i -lt $((rows / 20)) ]; do
        i=$((i + 1))
        tail -n +2 "$1" | sed "s/^r/r$i-/"
    done
}

step "1/7  $rows reviews, a prompt, and what people said of them"
many inputs/reviews.csv > many.csv && mv many.csv inputs/reviews.csv
many gold/reviews.csv > many.csv && mv many.csv gold/reviews.csv
head -n 3 inputs/reviews.csv
show "cat label_reviews.toml"
sed -n '/^inputs/,/^retries/p' label_reviews.toml

run="run label_reviews.toml --mock --mock-latency 250 --mock-fail 500=4%,cut=1%,label=10%"
step "2/7  The run, against a gateway in the process that fails now and then; killed at half"
show "wbatch $run"
# shellcheck disable=SC2086
"$wbatch" $run &
pid=$!
answers() { cat label_reviews.out.jsonl 2> /dev/null | wc -l; }
while kill -0 $pid 2> /dev/null && [ "$(answers)" -lt $((rows / 2)) ]; do
    sleep 0.1
done
kill -9 $pid 2> /dev/null || true
wait $pid 2> /dev/null || true
printf 'killed with kill -9: %s answers are on disk\n' "$(answers)"

step "3/7  The same command again: it carries on; and once more: nothing is left to send"
show "wbatch $run"
# shellcheck disable=SC2086
"$wbatch" $run
# shellcheck disable=SC2086
"$wbatch" -q $run

step "4/7  Look at two of them"
show "wbatch show label_reviews.out.jsonl 2"
"$wbatch" show label_reviews.out.jsonl 2

step "5/7  How good the labels are (the mock only counts words), and the page"
show "wbatch score label_reviews.out.jsonl --gold gold/reviews.csv --html score.html"
"$wbatch" score label_reviews.out.jsonl --gold gold/reviews.csv --html score.html

step "6/7  A night: a day's file becomes a day's folder, and so does that of the day that was missed"
file=$(echo nightly/inbox/*.jsonl)
day=$(basename "$file" .jsonl)
# GNU's date, else that of BSD and macOS.
missed=$(date -d "$day -1 day" +%F 2> /dev/null || date -j -v-1d -f %F "$day" +%F)
sed 's/"t-4/"t-3/' "$file" > "nightly/inbox/$missed.jsonl"
show "wbatch run nightly/nightly_triage.toml --mock --date $day --catch-up 1"
"$wbatch" run nightly/nightly_triage.toml --mock --date "$day" --catch-up 1
printf 'the same command again: both days are done\n'
"$wbatch" run nightly/nightly_triage.toml --mock --date "$day" --catch-up 1
ls nightly/triage

step "7/7  What all of it used, and would cost (prices that are made up), and the page"
"$wbatch" -q run costs/monthly_costs.toml --mock
prices="--mock --prices costs/monthly_costs.prices.toml"
show "wbatch report . $prices --by run,model"
# shellcheck disable=SC2086
"$wbatch" report . $prices --by run,model
show "wbatch report . $prices --by day,model --html costs.html"
# shellcheck disable=SC2086
"$wbatch" report . $prices --by day,model --html costs.html

cat << 'TEXT'

The pages are demo/score.html and demo/costs.html. With a gateway of your own:
  export OPENAI_API_KEY=...        # and OPENAI_BASE_URL, unless it is the built-in one
  cd demo && ../.venv/bin/wbatch run label_reviews.toml --new-run
TEXT
