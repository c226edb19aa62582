# frozen_string_literal: true

require_relative "box_file"
require_relative "check"
require_relative "provisioning"

module Lab
  # The lab's extension of Vagrant. It is loaded from here, so there is nothing to install.
  class Plugin < Vagrant.plugin("2")
    name "revezamento"

    provisioner(:lab) { Provisioner }
    action_hook(:lab, :machine_action_up) { |hook| hook.prepend(Check) }
    action_hook(:lab, :machine_action_reload) { |hook| hook.prepend(Check) }
    action_hook(:lab, :authenticate_box_url) { |hook| hook.prepend(BoxFile) }
    action_hook(:lab, :environment_unload) { |hook| hook.append(ProvisionAll) }
  end
end
