// Runs a race of two requests against one policy's application and judges what became of it.

// How long request 1 keeps its session, and how long after it request 2 begins, in milliseconds.
const slow = 1000;
const gap = 300;

// A request's "gives" is the name and the value that it wants to see in the session; counting gives no fixed value.
export const races = {
  read: {
    before: [["put", {name: "drink", value: "water"}]],
    first: {servlet: "slow", params: {ms: slow}},
    second: {servlet: "put", params: {name: "drink", value: "tea"}, gives: ["drink", "tea"]},
  },
  both: {
    before: [["put", {name: "drink", value: "water"}], ["put", {name: "food", value: "bread"}]],
    first: {servlet: "put", params: {name: "drink", value: "tea", ms: slow}, gives: ["drink", "tea"]},
    second: {servlet: "put", params: {name: "food", value: "cake"}, gives: ["food", "cake"]},
  },
  count: {
    before: [["incr", {name: "visits"}]],
    first: {servlet: "incr", params: {name: "visits", ms: slow}, counts: "visits"},
    second: {servlet: "incr", params: {name: "visits"}, counts: "visits"},
  },
};

// What should happen, and why.
const reasons = {
  legacy: {
    read: ["lost", "request 2 stored tea, then request 1, which had changed nothing, saved the whole session as it had read it."],
    both: ["lost", "request 1 saved the whole session as it had read it, with its own drink and the old food. The cake of request 2 is gone."],
    count: ["lost", "both read 1 and both stored 2, so one visit was not counted."],
  },
  lossy: {
    read: ["kept", "request 1 changed nothing, so it saved nothing. That is all the dirty flag does, and here it is enough."],
    both: ["lost", "each had something to save, and a save replaces the whole session. The cake of request 2 is gone."],
    count: ["lost", "both read 1 and both stored 2, so one visit was not counted."],
  },
  optimistic: {
    read: ["kept", "request 1 changed nothing, so it saved nothing that could be in conflict with request 2."],
    both: ["refused", "request 2 was saved first, so request 1 got 409 instead of overwriting it. Its user is told, and can try again."],
    count: ["refused", "request 1 had counted on from a number that was no longer stored, so it got 409 instead of losing a visit."],
  },
  serialized: {
    read: ["kept", "request 2 waited {wait} until request 1 had let go of the session, and stored its tea after it."],
    both: ["kept", "request 2 waited {wait} for request 1 and then wrote on top of what that had saved."],
    count: ["kept", "request 2 waited {wait} for request 1 and then counted on from the number that that had stored."],
  },
  merge: {
    read: ["kept", "only what a request changed is written, and request 1 had changed nothing."],
    both: ["kept", "each wrote only the name that it had changed, so the drink and the food are both there."],
    count: ["lost", "both changed the same name, where the last one wins. Merge is not for counting: use serialized or optimistic there."],
  },
};

const titles = {lost: "Lost", kept: "Kept", refused: "Refused"};

// call sends one request. Errors that the servlet reports are answers too; others are thrown.
async function call(policy, servlet, params = {}) {
  const response = await fetch(`${policy}/${servlet}?${new URLSearchParams(params)}`, {method: "POST"});
  const answer = await response.json();
  return {status: response.status, ...answer};
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// run runs a race and returns what each request did and what the session held, with times in milliseconds since
// request 1 was sent.
export async function run(policy, raceName) {
  const race = races[raceName];
  await call(policy, "logout");
  let before;
  for (const [servlet, params] of race.before) {
    before = await call(policy, servlet, params);
    if (before.status !== 200) throw new Error(before.error);
  }

  const start = performance.now();
  const now = () => performance.now() - start;
  const seen = [{at: 0, values: before.values}];
  const send = async (who, request) => {
    const sent = now();
    const answer = await call(policy, request.servlet, request.params);
    const done = now();
    seen.push({at: done, values: (await call(policy, "show")).values});
    // A refusal does not tell how long it took. It opened its session as fast as any other.
    const {took_ms: took = done - sent, waited_ms: waited = 0} = answer;
    const inFlight = Math.max(0, done - sent - took) / 2;
    return {who, ...request, answer, sent, waited, opened: Math.min(done, sent + inFlight + waited), done};
  };
  const running = send("Request 1", race.first);
  await pause(gap);
  const second = await send("Request 2", race.second);
  const first = await running;
  seen.sort((a, b) => a.at - b.at);
  return {policy, raceName, first, second, seen, after: seen.at(-1).values};
}

// judge says in one sentence what happened and why. It looks at what is in the session and expects nothing.
export function judge(result) {
  const {first, second, policy, raceName} = result;
  const odd = [first, second].find((r) => ![200, 409].includes(r.answer.status));
  if (odd) return {outcome: "failed", words: `${odd.who} failed: ${odd.answer.error}`};

  const saved = [first, second].filter((r) => r.answer.status === 200);
  const counted = saved.filter((r) => r.counts).length;
  const intact = saved.every((r) => !r.gives || result.after[r.gives[0]] === r.gives[1]) &&
    (!counted || result.after.visits === result.seen[0].values.visits + counted);
  const outcome = !intact ? "lost" : saved.length < 2 ? "refused" : "kept";

  const [expected, why] = reasons[policy][raceName];
  const words = outcome === expected
    ? why.replace("{wait}", seconds(second.waited))
    : "the requests did not meet as they should, perhaps because the machine was busy. Run the race again.";
  return {outcome, words: `${titles[outcome]}: ${words}`};
}

export const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
