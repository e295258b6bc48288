// The page of plugins, for users who may manage them. Installation happens in a shell on the gateway's machine.

import type { Binnacle } from '@binnacle/client';
import type { ReactNode } from 'react';
import { PluginIcon } from '../ui/icons.tsx';
import { ErrorNotice } from '../ui/notices.tsx';
import { Empty, Failed, Page } from '../ui/page.tsx';
import { PluginCard } from './plugin-card.tsx';
import { usePlugins } from './use-plugins.ts';
import './plugins-view.css';

interface PluginsViewProps {
  readonly client: Binnacle;
  readonly menu: ReactNode;
  readonly linkNotice: ReactNode;
}

/** Maximum plugins whose cards start unfolded. */
const MAX_OPEN = 2;

export function PluginsView({ client, menu, linkNotice }: PluginsViewProps) {
  const { plugins, error, again, act } = usePlugins(client);
  const icon = <PluginIcon />;
  return (
    <Page
      title="Plugins"
      icon={icon}
      subtitle="Programs that run beside Binnacle, and what each may do"
      menu={menu}
      notices={
        <>
          {linkNotice}
          {error !== undefined && plugins !== undefined && <ErrorNotice error={error} />}
        </>
      }
      busy={plugins === undefined && error === undefined}
      test="plugins-view"
    >
      {plugins === undefined && error === undefined && (
        <Empty icon={icon} title="Looking…" waiting test="plugins-loading" />
      )}
      {plugins === undefined && error !== undefined && <Failed error={error} onAgain={again} />}
      {plugins?.length === 0 && (
        <Empty icon={icon} title="No plugin is installed" test="plugins-none">
          <p>
            On the machine that runs Binnacle, <code>binnacle plugin install FOLDER</code> installs one and shows what
            it asks for; <code>binnacle plugin new NAME</code> begins one of your own.
          </p>
        </Empty>
      )}
      <div className="plugins">
        {plugins?.map((info) => (
          <PluginCard key={info.id} client={client} info={info} act={act} folds={plugins.length > MAX_OPEN} />
        ))}
      </div>
    </Page>
  );
}
