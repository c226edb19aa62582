# frozen_string_literal: true

require "ipaddr"
require_relative "computer"
require_relative "virtualbox"

module Lab
  # Judges this computer before the first boot, where Vagrant and the providers would fail late or in riddles.
  class Preflight
    ALTERNATIVES = %w[192.168.56 172.20.0 10.20.30 172.30.0 192.168.156].freeze
    HYPERVISOR_MB = 64 # for each machine, beside its memory
    EMULATOR_MB = 1250 # the same where QEMU emulates: it keeps up to 1 GB of code that it has translated

    # Interfaces that a provider leaves behind and takes up again.
    OWN_INTERFACES = {
      "virtualbox" => /\Avboxnet/, "vmware_desktop" => /\Avmnet/, "parallels" => /\A(vnic|bridge)/
    }.freeze

    # provider: Vagrant's name of it. subnet: three numbers. machines: those to boot, as Lab::Machine.
    # emulated: without the processor's virtualisation.
    def initialize(provider:, subnet:, machines:, emulated: false, computer: Computer.new)
      @provider, @subnet, @machines, @computer = provider, subnet, machines, computer
      @hypervisor_mb = emulated ? EMULATOR_MB : HYPERVISOR_MB
      @virtualbox = VirtualBox.new(computer) if provider == "virtualbox"
    end

    # A sentence or more for each thing that is in the way, with its remedy; none when all is well.
    # first: no machine is there yet, so the network and the memory are still to be had.
    def problems(first: true)
      [refused_network, @virtualbox&.dhcp_server(@machines), *([network_in_use, memory] if first)].compact
    end

    private

    def refused_network
      @virtualbox.refusal(network(@subnet), another_subnet || "LAB_SUBNET=192.168.56") unless allowed?(@subnet)
    end

    def allowed?(subnet)
      @virtualbox.nil? || @virtualbox.allows?(network(subnet))
    end

    def network_in_use
      interface, other = users(@subnet).first
      return unless interface

      move = another_subnet ? "#{another_subnet} vagrant up" : "end what uses it"
      return <<~TEXT.chomp if interface.start_with?("podman")
        The embedded lab (containers) is up with the same addresses: #{interface} has #{other}.
        Remedy: make down, where it was started. Or both beside each other: #{move}
      TEXT

      <<~TEXT.chomp
        #{@subnet}.0/24 is in use on this computer: interface #{interface}#{docker(interface)} has #{other}.
        Remedy: #{move}
      TEXT
    end

    # `LAB_SUBNET=…` of a network that nobody here uses and that the provider allows; nil where there is none.
    def another_subnet
      free = ALTERNATIVES.find { |subnet| users(subnet).empty? && allowed?(subnet) }
      "LAB_SUBNET=#{free}" if free
    end

    # Interface => its network, for each that overlaps and is not the lab's own.
    def users(subnet)
      overlapping = @computer.networks.select do |name, other|
        pair = [other, network(subnet)]
        (VirtualBox.contains?(*pair) || VirtualBox.contains?(*pair.reverse)) && !own?(name)
      end
      overlapping.to_h { |name, other| [name, "#{other}/#{other.prefix}"] }
    end

    def own?(interface)
      OWN_INTERFACES.fetch(@provider, /\A\z/).match?(interface) || interface == libvirt_bridge
    end

    # The bridge of our network, where an interrupted run has left it.
    def libvirt_bridge
      return unless @provider == "libvirt"

      network = ["net-info", "revezamento-#{@subnet}"]
      @libvirt_bridge ||= @computer.ask("virsh", "--connect=qemu:///system", *network)[/^Bridge:\s+(\S+)/, 1] || "none"
    end

    # Docker names its bridges after the network's id.
    def docker(interface)
      return " of Docker" if interface == "docker0"
      return unless interface.start_with?("br-")

      listed = @computer.ask("docker", "network", "ls", "--no-trunc", "--format={{.ID}} {{.Name}}").lines.map(&:split)
      _, name = listed.find { |id, _| id.start_with?(interface.delete_prefix("br-")) }
      " of Docker (docker network rm #{name} takes it away)" if name
    end

    def memory
      needed = @machines.sum { |machine| machine.memory_mb + @hypervisor_mb }
      free = @computer.free_memory_mb
      return if free.nil? || free >= needed

      <<~TEXT.chomp
        #{@machines.size} machines need #{needed} MB of memory, and this computer has #{free} MB to give.
        Remedy: end what needs memory; or less memory_mb in the inventory; or some machines alone, by their names.
      TEXT
    end

    def network(subnet)
      IPAddr.new("#{subnet}.0/24")
    end
  end
end
