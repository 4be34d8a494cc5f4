'use client';
import { autocompletion } from '@codemirror/autocomplete';
import { yaml } from '@codemirror/lang-yaml';
import { lintGutter, setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import type { SpecProblem } from '@ferment/contracts';
import { basicSetup } from 'codemirror';
import { useEffect, useRef } from 'react';
import { completeSpec, type SpecNames } from '../lib/spec-completion';

export interface SpecEditorProps {
  /** The text at the beginning; the editor keeps its own from then on. */
  initial: string;
  onChange: (text: string) => void;
  problems: readonly SpecProblem[];
  names: SpecNames;
}

/** YAML with what the schema permits offered while one types (Ctrl+Space asks for it), and problems at their lines. */
export default function SpecEditor({ initial, onChange, problems, names }: SpecEditorProps) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef({ onChange, names });
  useEffect(() => {
    latest.current = { onChange, names };
  });
  useEffect(() => {
    if (!place.current) return undefined;
    const editor = new EditorView({
      parent: place.current,
      state: EditorState.create({
        doc: initial,
        extensions: [
          basicSetup,
          yaml(),
          lintGutter(),
          autocompletion({
            override: [
              ({ state, pos, explicit, matchBefore }) => {
                if (!explicit && !matchBefore.call({ state, pos }, /[\w.-]+$/)) return null;
                const found = completeSpec(state.doc.toString(), pos, latest.current.names);
                if (!found) return null;
                const options = found.options.map(({ label, detail, kind }) => ({
                  ...{ label, detail },
                  type: kind === 'key' ? 'property' : 'enum',
                  apply: kind === 'key' ? `${label}: ` : label,
                }));
                return { from: found.from, options, validFor: /^[\w.-]*$/ };
              },
            ],
          }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) latest.current.onChange(update.state.doc.toString());
          }),
          EditorView.contentAttributes.of({ 'aria-label': 'Experiment spec (YAML)' }),
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
  return <div ref={place} className="editor" />;
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
