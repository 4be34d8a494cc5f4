/** The states from which a table of transitions lets something move to `to`: what an UPDATE may find. */
export function statesBefore<S extends string>(transitions: Readonly<Record<S, readonly S[]>>, to: S): S[] {
  return (Object.keys(transitions) as S[]).filter((from) => transitions[from].includes(to));
}
