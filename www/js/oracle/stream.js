// Server-sent events, read as they come: each is one JSON object behind "data: ".

// [events that are whole, the rest that is not yet]
export function cut(text) {
  const blocks = text.split("\n\n");
  const rest = blocks.pop();
  return [blocks.filter((one) => one.startsWith("data: ")).map((one) => JSON.parse(one.slice(6))), rest];
}

// Of a response to POST /oracle/chat. What is refused before it begins is thrown as the server's own sentence.
export async function* eventsOf(response) {
  if (!response.ok) throw new Error((await response.json()).error);
  const [reader, decoder] = [response.body.getReader(), new TextDecoder()];
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const [events, torn] = cut(rest + decoder.decode(value, { stream: true }));
    rest = torn;
    yield* events;
  }
}
