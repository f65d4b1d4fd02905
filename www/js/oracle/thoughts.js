// What a model thought before it answered stands between <think> and </think>.

const BEGIN = "<think>";
const END = "</think>";

// [{isThought, text}]; a thought that has no end yet is one, too.
export function partsOf(text) {
  const parts = [];
  for (const piece of text.split(/(<think>[\s\S]*?(?:<\/think>|$))/)) {
    const isThought = piece.startsWith(BEGIN);
    const said = isThought ? piece.slice(BEGIN.length).replace(END, "") : piece;
    if (said.trim()) parts.push({ isThought, text: said.trim() });
  }
  return parts;
}
