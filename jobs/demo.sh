#!/bin/sh
# A run offline: killed half-way, carried on with, totalled. Called by `make demo`; needs no key.
set -eu
wbatch=${1:-wbatch}
lines=400
rm -rf demo && mkdir demo

step() { printf '\n\033[1m%s\033[0m\n' "$1"; }
show() { printf '$ %s\n' "$*"; }

step "1/5  A file of $lines prompts"
i=0
while [ $i -lt $lines ]; do
    i=$((i + 1))
    printf '{"custom_id":"review-%d","body":{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Is review %d positive or negative?"}]}}\n' $i $i
done > demo/prompts.jsonl
head -n 1 demo/prompts.jsonl

run="$wbatch run demo/prompts.jsonl -o demo/out.jsonl -c 16 --mock --mock-latency 300 --mock-fail 500=4%,cut=1%"
step "2/5  The run, against a gateway inside the process that fails now and then; killed at half"
show "$run"
$run &
pid=$!
while kill -0 $pid 2> /dev/null && [ "$(cat demo/out.jsonl 2> /dev/null | wc -l)" -lt $((lines / 2)) ]; do
    sleep 0.1
done
kill -9 $pid 2> /dev/null || true
wait $pid 2> /dev/null || true
printf 'killed with kill -9: %s answers are on disk\n' "$(wc -l < demo/out.jsonl)"

step "3/5  The same command again: it carries on"
show "$run"
$run

step "4/5  And again: nothing is left to send"
$run

step "5/5  What it used, and one answer"
show "cat demo/out.run/usage.jsonl"
cat demo/out.run/usage.jsonl
show "tail -n 1 demo/out.jsonl"
tail -n 1 demo/out.jsonl

cat << 'TEXT'

Now with a gateway of your own:
  export OPENAI_API_KEY=...        # and OPENAI_BASE_URL, unless it is the built-in one
  .venv/bin/wbatch run sample_inputs/batch_openai.jsonl -o answers.jsonl
TEXT
