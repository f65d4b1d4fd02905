// What went wrong between the page and an oracle, as a sentence that says how to mend it.

export const sayFault = (error) =>
  error instanceof TypeError ? "The Tavern does not answer: it tries again by itself; ask again when it is back." : error.message;
