# frozen_string_literal: true

require "ipaddr"
require_relative "computer"
require_relative "virtualbox"

module Lab
  # Checks this computer before the first boot. Vagrant and its providers would fail later, with obscure messages.
  class Preflight
    ALTERNATIVES = %w[192.168.57 172.20.0 10.20.30 172.30.0 192.168.156].freeze
    HYPERVISOR_MB = 64 # per machine, in addition to its memory
    EMULATOR_MB = 1250 # the same when QEMU emulates: it caches up to 1 GB of translated code

    # Interfaces that a provider keeps and reuses.
    OWN_INTERFACES = { "virtualbox" => /\Avboxnet/ }.freeze

    # provider: its name in Vagrant. subnet: three octets. machines: the Lab::Machines to boot.
    # emulated: without hardware virtualization.
    def initialize(provider:, subnet:, machines:, emulated: false, computer: Computer.new)
      @provider, @subnet, @machines, @computer = provider, subnet, machines, computer
      @hypervisor_mb = emulated ? EMULATOR_MB : HYPERVISOR_MB
      @virtualbox = VirtualBox.new(computer) if provider == "virtualbox"
    end

    # One message per problem, with its remedy; empty if the computer is ready.
    # first: no machine exists yet, so its network and memory must still be free.
    def problems(first: true)
      [refused_network, @virtualbox&.dhcp_server(@machines), *([network_in_use, memory] if first)].compact
    end

    private

    def refused_network
      @virtualbox.refusal(network(@subnet), another_subnet || "LAB_SUBNET=192.168.57") unless allowed?(@subnet)
    end

    def allowed?(subnet)
      @virtualbox.nil? || @virtualbox.allows?(network(subnet))
    end

    def network_in_use
      interface, other = users(@subnet).first
      return unless interface

      move = another_subnet ? "#{another_subnet} vagrant up" : "stop what uses it"
      return <<~TEXT.chomp if interface.start_with?("podman")
        The container lab is up with the same addresses: #{interface} has #{other}.
        Remedy: make down, in the folder where it was started. To run both: #{move}
      TEXT

      <<~TEXT.chomp
        #{@subnet}.0/24 is in use on this computer: interface #{interface}#{docker(interface)} has #{other}.
        Remedy: #{move}
      TEXT
    end

    # `LAB_SUBNET=…` with a network that is free and that the provider allows; nil if there is none.
    def another_subnet
      free = ALTERNATIVES.find { |subnet| users(subnet).empty? && allowed?(subnet) }
      "LAB_SUBNET=#{free}" if free
    end

    # Interface => network, for each that overlaps and is not the lab's own.
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

    # The bridge of the lab's network, which an interrupted run leaves behind.
    def libvirt_bridge
      return unless @provider == "libvirt"

      command = ["virsh", "--connect=qemu:///system", "net-info", "revezamento-#{@subnet}"]
      @libvirt_bridge ||= @computer.output_of(*command)[/^Bridge:\s+(\S+)/, 1] || "none"
    end

    # Docker names a bridge after its network's ID.
    def docker(interface)
      return " of Docker" if interface == "docker0"
      return unless interface.start_with?("br-")

      listed = @computer.output_of("docker", "network", "ls", "--no-trunc", "--format={{.ID}} {{.Name}}")
      _, name = listed.lines.map(&:split).find { |id, _| id.start_with?(interface.delete_prefix("br-")) }
      " of Docker (docker network rm #{name} removes it)" if name
    end

    def memory
      needed = @machines.sum { |machine| machine.memory_mb + @hypervisor_mb }
      free = @computer.free_memory_mb
      return if free.nil? || free >= needed

      <<~TEXT.chomp
        #{@machines.size} machines need #{needed} MB of memory, and this computer has #{free} MB free.
        Remedy: close other programs, lower memory_mb in the inventory, or start only some machines: vagrant up NAME…
      TEXT
    end

    def network(subnet)
      IPAddr.new("#{subnet}.0/24")
    end
  end
end
