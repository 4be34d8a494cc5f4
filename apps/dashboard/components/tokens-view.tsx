'use client';
import { createdToken, roles, tokenItem, type Role } from '@ferment/contracts';
import { useState } from 'react';
import { z } from 'zod';
import { post, send } from '../lib/client';
import { ago } from '../lib/format';
import { useAction } from '../lib/use-action';
import { useNow, useResource } from '../lib/use-resource';
import { Select } from './controls';
import { ScrollBox } from './scroll-box';
import { SureButton } from './sure-button';
import { Empty, Failure, Skeleton } from './states';

const tokenList = z.array(tokenItem);

const rights: Readonly<Record<Role, string>> = {
  viewer: 'sees everything, changes nothing',
  researcher: 'submits and controls experiments, imports data',
  worker: 'reads and stores files for jobs; for machines',
  admin: 'all of it, tokens and workers too',
};

/** Who may do what: tokens for people, scripts and machines. Their secrets are shown once, when they are made. */
export function TokensView() {
  const tokens = useResource('tokens', tokenList);
  const now = useNow();
  if (tokens.error && !tokens.data) return <Failure error={tokens.error} retry={tokens.refresh} />;
  return (
    <>
      <div className="page-head">
        <h1>Tokens</h1>
      </div>
      <CreateCard renew={tokens.refresh} />
      <section className="card" aria-labelledby="tokens-title">
        <div className="card-head">
          <h2 id="tokens-title">Tokens there are</h2>
        </div>
        {!tokens.data ? (
          <Skeleton rows={3} height={40} />
        ) : tokens.data.length === 0 ? (
          <Empty title="None yet" />
        ) : (
          <ScrollBox>
            <table className="table">
              <thead>
                <tr>
                  <th scope="col">Name</th>
                  <th scope="col">Role</th>
                  <th scope="col">Made</th>
                  <th scope="col">Last used</th>
                  <th scope="col">
                    <span className="visually-hidden">Revoke</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {tokens.data.map((token) => (
                  <tr key={token.id}>
                    <th scope="row">{token.name}</th>
                    <td title={rights[token.role]}>{token.role}</td>
                    <td>{ago(token.createdAt, now)}</td>
                    <td>{token.lastUsedAt === null ? 'never' : ago(token.lastUsedAt, now)}</td>
                    <td>
                      {token.revokedAt === null ? (
                        <RevokeButton id={token.id} name={token.name} renew={tokens.refresh} />
                      ) : (
                        <span className="muted">revoked {ago(token.revokedAt, now)}</span>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </ScrollBox>
        )}
      </section>
    </>
  );
}

function CreateCard({ renew }: { renew: () => void }) {
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('researcher');
  const [made, setMade] = useState<z.output<typeof createdToken> | null>(null);
  const { run: create, said } = useAction(async () => {
    setMade(await post('tokens', { name: name.trim(), role }, createdToken));
    setName('');
    renew();
  });
  return (
    <section className="card" aria-labelledby="create-title">
      <div className="card-head">
        <h2 id="create-title">Make a token</h2>
      </div>
      <form
        className="token-form"
        onSubmit={(event) => {
          event.preventDefault();
          create();
        }}
      >
        <label className="select">
          <span>For whom or what</span>
          <input
            className="text-input"
            value={name}
            maxLength={64}
            required
            onChange={({ target }) => setName(target.value)}
          />
        </label>
        <Select
          label="Role"
          value={role}
          onChange={(chosen) => setRole(z.enum(roles).parse(chosen))}
          options={roles.map((each) => ({ value: each, title: each }))}
        />
        <button type="submit" className="button" disabled={name.trim() === ''}>
          Make
        </button>
        <span className="muted">{rights[role]}</span>
      </form>
      {said ? (
        <p className="problems token-told" role="alert">
          {said}
        </p>
      ) : null}
      {made ? (
        <p className="token-told" role="status">
          The secret of “{made.name}”, shown this once: <code className="secret">{made.token}</code>
        </p>
      ) : null}
    </section>
  );
}

function RevokeButton({ id, name, renew }: { id: string; name: string; renew: () => void }) {
  const { run: revoke, said } = useAction(async () => {
    await send('DELETE', `tokens/${id}`);
    renew();
  });
  return (
    <>
      <SureButton title="Revoke" sureTitle="Really revoke?" of={name} onSure={revoke} />
      {said ? <span role="alert"> {said}</span> : null}
    </>
  );
}
