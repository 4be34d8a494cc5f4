'use client';
import {
  autocompletion,
  startCompletion,
  type Completion,
  type CompletionContext,
  type CompletionResult,
} from '@codemirror/autocomplete';
import { yaml } from '@codemirror/lang-yaml';
import { lintGutter, setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import type { SpecProblem } from '@ferment/contracts';
import { basicSetup } from 'codemirror';
import { useEffect, useRef } from 'react';
import { completeSpec, type SpecNames } from '../lib/spec-completion';
import { helpOf } from '../lib/spec-help';
import type { SpecMeanings } from '../lib/spec-meanings';
import { helpElement, specHelp } from './spec-help-view';

export interface SpecEditorProps {
  /** The text at the beginning; the editor keeps its own from then on. */
  initial: string;
  onChange: (text: string) => void;
  problems: readonly SpecProblem[];
  names: SpecNames;
  meanings: SpecMeanings;
}

/** YAML with what the schema permits offered while one types, help on every key, and problems at their lines. */
export default function SpecEditor({ initial, onChange, problems, names, meanings }: SpecEditorProps) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef({ onChange, names, meanings });
  useEffect(() => {
    latest.current = { onChange, names, meanings };
  });
  useEffect(() => {
    if (!place.current) return undefined;
    const editor = new EditorView({
      parent: place.current,
      state: EditorState.create({
        doc: initial,
        extensions: [
          // Before the keys of the basic set-up, which gives Mod-i to something else.
          specHelp(latest.current.meanings),
          basicSetup,
          yaml(),
          lintGutter(),
          autocompletion({ override: [(context) => offer(context, latest.current)] }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) latest.current.onChange(update.state.doc.toString());
          }),
          EditorView.contentAttributes.of({ 'aria-label': 'Experiment spec (YAML)', tabindex: '0' }),
          EditorView.lineWrapping,
        ],
      }),
    });
    view.current = editor;
    return () => {
      editor.destroy();
      view.current = null;
    };
    // A new text comes with a new editor.
  }, [initial]);
  useEffect(() => {
    const editor = view.current;
    if (!editor) return;
    editor.dispatch(setDiagnostics(editor.state, diagnosticsOf(editor.state, problems)));
  }, [problems, initial]);
  return (
    <>
      <div ref={place} className="editor" />
      <p className="editor-keys">
        <kbd>{mac ? '⌃Space' : 'Ctrl+Space'}</kbd> offers what fits here · point at a key for its meaning, or{' '}
        <kbd>{mac ? '⌘I' : 'Ctrl+I'}</kbd> at the cursor
      </p>
    </>
  );
}

/** The editor is made in the browser alone, where this is known. */
const mac = /Mac|iPhone|iPad/.test(window.navigator.platform);

/** A place at which words come unasked: in a word, or where a value or a flow mapping's next key is due. */
const due = /[\w.-]$|[{[,] ?$|: $/;

/** What fits at the cursor, as the editor lists it. */
function offer(
  context: CompletionContext,
  { names, meanings }: Pick<SpecEditorProps, 'names' | 'meanings'>,
): CompletionResult | null {
  const { state, pos, explicit } = context;
  if (!explicit && !context.matchBefore(due)) return null;
  const found = completeSpec(state.doc.toString(), pos, names);
  // Enter behind "train: " begins a block: keys in braces stand there only for who asks.
  const fitting = found?.options.filter(
    ({ kind, apply }) => explicit || kind === 'value' || !apply.startsWith('{'),
  );
  if (!found || !fitting || fitting.length === 0) return null;
  const options = fitting.map(({ label, detail, kind, apply, path }): Completion => {
    return {
      ...{ label, detail, type: kind === 'key' ? 'property' : 'enum' },
      apply: (view, _completion, from, to) => write(view, apply, from, to),
      info: () => {
        const help = helpOf(found.value, path, meanings, kind === 'value' ? label : null);
        return help && helpElement(help);
      },
    };
  });
  // Behind the dot of a patch's path other keys follow; names of metrics and numbers have dots inside.
  const validFor = fitting.every(({ kind }) => kind === 'key') ? /^[\w-]*$/ : /^[\w.-]*$/;
  return { from: found.from, options, validFor };
}

/** Puts an option in place of the word, the cursor at its `|`, and asks at once for what comes behind a dot. */
function write(view: EditorView, apply: string, from: number, to: number) {
  const cursor = apply.indexOf('|');
  view.dispatch({
    changes: { from, to, insert: apply.replace('|', '') },
    selection: { anchor: from + cursor },
    userEvent: 'input.complete',
  });
  if (apply[cursor - 1] === '.') startCompletion(view);
}

function diagnosticsOf({ doc }: EditorState, problems: readonly SpecProblem[]): Diagnostic[] {
  return problems.flatMap(({ line, path, message }): Diagnostic[] => {
    if (line === null || line > doc.lines) return [];
    const { from, to, text } = doc.line(line);
    const indent = text.length - text.trimStart().length;
    return [
      { from: from + indent, to, severity: 'error', message: path === '' ? message : `${path}: ${message}` },
    ];
  });
}
