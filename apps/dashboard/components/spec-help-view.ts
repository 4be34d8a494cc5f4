import { StateEffect, StateField, type Extension } from '@codemirror/state';
import {
  closeHoverTooltips,
  EditorView,
  hoverTooltip,
  keymap,
  showTooltip,
  type Tooltip,
} from '@codemirror/view';
import { helpAt, type SpecHelp } from '../lib/spec-help';
import type { SpecMeanings } from '../lib/spec-meanings';

/** Help as the editor shows it: beside the pointer, and beside a completion. */
export function helpElement({ name, facts, meaning }: SpecHelp): HTMLElement {
  const element = document.createElement('div');
  element.className = 'spec-help';
  element.append(line('strong', `\`${name}\``), line('span', facts.join('; ')));
  if (meaning)
    element.append(line('p', meaning.of === null ? meaning.text : `\`${meaning.of}\`: ${meaning.text}`));
  return element;
}

/** An element with a text in which what stands in backticks is code. */
function line(tag: 'strong' | 'span' | 'p', text: string): HTMLElement {
  const element = document.createElement(tag);
  text.split('`').forEach((part, index) => {
    if (index % 2 === 0) element.append(part);
    else element.append(Object.assign(document.createElement('code'), { textContent: part }));
  });
  return element;
}

function tooltipAt(
  view: EditorView,
  position: number,
  meanings: SpecMeanings,
): (Tooltip & { said: string }) | null {
  const help = helpAt(view.state.doc.toString(), position, meanings);
  if (!help) return null;
  const dom = helpElement(help);
  return { pos: help.from, end: help.to, above: true, create: () => ({ dom }), said: dom.innerText };
}

const show = StateEffect.define<Tooltip | null>();

/** Shown by key, until the cursor moves or the text changes. */
const shown = StateField.define<Tooltip | null>({
  create: () => null,
  update(tooltip, transaction) {
    for (const effect of transaction.effects) if (effect.is(show)) return effect.value;
    return transaction.docChanged || transaction.selection ? null : tooltip;
  },
  provide: (field) => showTooltip.from(field),
});

/** Help at the pointer, and at the cursor with Mod-i until Escape. */
export function specHelp(meanings: SpecMeanings): Extension {
  return [
    hoverTooltip((view, position) => tooltipAt(view, position, meanings)),
    shown,
    keymap.of([
      {
        key: 'Mod-i',
        preventDefault: true,
        run(view) {
          const tooltip = tooltipAt(view, view.state.selection.main.head, meanings);
          const effects: StateEffect<unknown>[] = [closeHoverTooltips, show.of(tooltip)];
          if (tooltip) effects.push(EditorView.announce.of(tooltip.said));
          view.dispatch({ effects });
          return true;
        },
      },
      {
        key: 'Escape',
        run(view) {
          if (!view.state.field(shown)) return false;
          view.dispatch({ effects: show.of(null) });
          return true;
        },
      },
    ]),
  ];
}
