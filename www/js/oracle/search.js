// The picker's search: every word must be found in what is known of a model; loss<1.2 and step>500 compare.

const COMPARED = { loss: "train_loss", val: "val_loss", step: "step", level: "level" };
const COMPARISON = /^(loss|val|step|level)([<>])(\d+(?:\.\d+)?)$/;

export function matches(model, query) {
  return query.toLowerCase().split(/\s+/).filter(Boolean).every((word) => holds(model, word));
}

function holds(model, word) {
  const [, key, sign, bound] = COMPARISON.exec(word) ?? [];
  if (!key) return wordsOf(model).includes(word);
  const value = model[COMPARED[key]];
  return value !== null && value !== undefined && (sign === "<" ? value < Number(bound) : value > Number(bound));
}

const wordsOf = ({ name, step, at, train_loss: loss, val_loss: val, skill, level, tags, exams }) =>
  [name, step, at, loss, val, skill, skill && `l${level}`, ...tags, ...exams.map((exam) => `${exam.skill} l${exam.level}`)].join(" ").toLowerCase();
