# frozen_string_literal: true

require "ipaddr"
require "json"
require "open3"
require "rbconfig"
require "socket"

module Lab
  # Judges this computer before the first boot, where Vagrant and the providers would fail late or in riddles.
  class Preflight
    # What VirtualBox allows by itself: https://www.virtualbox.org/manual/ch06.html#network_hostonly
    VIRTUALBOX_RANGE = IPAddr.new("192.168.56.0/21")
    VIRTUALBOX_ASKS_SINCE = Gem::Version.new("6.1.28")
    VIRTUALBOX_ON_MACOS_UNTIL = Gem::Version.new("7.0.0")
    ALTERNATIVES = %w[192.168.56 172.20.0 10.20.30 172.30.0 192.168.156].freeze

    # Interfaces that a provider leaves behind and takes up again.
    OWN_INTERFACES = { "virtualbox" => /\Avboxnet/, "vmware_desktop" => /\Avmnet/, "parallels" => /\A(vnic|bridge)/ }.freeze
    REJECTED = 0x200 # RTF_REJECT: a route that leads nowhere, so nobody lives there
    HYPERVISOR_MB = 64 # for each machine, beside its memory

    # What a command prints; nil where it fails, or is not installed.
    SHELL = lambda do |*command|
      printed, status = Open3.capture2(*command, err: File::NULL)
      printed if status.success?
    rescue SystemCallError
      nil
    end

    # provider: Vagrant's name of it. subnet: three numbers. machines: those to boot, as Lab::Machine.
    # root: where this computer's files are; run: how commands are run; system: linux, darwin or windows.
    def initialize(provider:, subnet:, machines:, root: "/", run: SHELL, system: RbConfig::CONFIG["host_os"])
      @provider, @subnet, @machines, @root, @run, @system = provider, subnet, machines, root, run, system
    end

    # A sentence or more for each thing that is in the way, with its remedy; none when all is well.
    # first: no machine is there yet, so the network and the memory are still to be had.
    def problems(first: true)
      [virtualbox_range, virtualbox_dhcp, *([network_in_use, memory] if first)].compact
    end

    private

    def network(subnet = @subnet)
      IPAddr.new("#{subnet}.0/24")
    end

    def virtualbox_range
      return unless @provider == "virtualbox" && virtualbox_asks? && !allowed?(@subnet)

      <<~TEXT
        VirtualBox refuses host-only networks in #{@subnet}.0/24: it allows #{virtualbox_ranges.map { |r| spell(r) }.join(', ')}.
        #{wrong_lines}Remedy: these two lines in /etc/vbox/networks.conf (make the file, as root), stars included:

        * #{spell(VIRTUALBOX_RANGE)}
        * #{@subnet}.0/24

        Or move the lab: #{another_subnet || 'LAB_SUBNET=192.168.56'} vagrant up
      TEXT
    end

    def virtualbox_asks?
      return false if @system.match?(/mswin|mingw|windows/)

      version = Gem::Version.new(@run.call("VBoxManage", "--version").to_s[/\d+(\.\d+)+/] || "7.0.0")
      version >= VIRTUALBOX_ASKS_SINCE && !(@system.include?("darwin") && version >= VIRTUALBOX_ON_MACOS_UNTIL)
    end

    # VirtualBox' first network has a server for DHCP at 192.168.56.100, which may be a machine's address.
    def virtualbox_dhcp
      return unless @provider == "virtualbox"

      @run.call("VBoxManage", "list", "dhcpservers").to_s.split(/\n{2,}/).each do |server|
        machine = @machines.find { |known| known.address == server[/^(?:Dhcpd )?IP:\s+(\S+)/, 1] }
        next unless machine && server.match?(/^Enabled:\s+Yes/)

        return "VirtualBox has a server for DHCP at #{machine.address}, the address of #{machine.name}, and nobody here needs it.\n" \
               "Remedy: VBoxManage dhcpserver remove --netname \"#{server[/^NetworkName:\s+(.+)/, 1]}\"\n" \
               "Or another network: LAB_SUBNET=192.168.57 vagrant up"
      end
      nil
    end

    def allowed?(subnet)
      virtualbox_ranges.any? { |range| range.ipv4? && contains?(range, network(subnet)) }
    end

    # With a networks.conf its lines are all that counts.
    def virtualbox_ranges
      return [VIRTUALBOX_RANGE] unless networks_conf

      networks_conf.grep(/\A\s*\*/).flat_map { |line| line.delete("*").split.filter_map { |word| range(word) } }
    end

    # A word about lines that VirtualBox does not understand.
    def wrong_lines
      wrong = (networks_conf || []).reject do |line|
        line.strip.empty? || line.start_with?("#") ||
          (line.match?(/\A\s*\*/) && line.delete("*").split.all? { |word| range(word) })
      end
      wrong.map { |line| "In the file, this is no range of networks: #{line.strip}\n" }.join
    end

    def networks_conf
      path = File.join(@root, "etc/vbox/networks.conf")
      File.readlines(path, chomp: true) if File.exist?(path)
    end

    def range(word)
      IPAddr.new(word)
    rescue IPAddr::Error
      nil
    end

    def spell(range)
      "#{range}/#{range.prefix}"
    end

    def network_in_use
      interface, other = users(@subnet).first
      return unless interface

      remedy = another_subnet ? "Remedy: another network, #{another_subnet} vagrant up. For good: export #{another_subnet}" : "Remedy: take it away."
      if interface.start_with?("podman")
        "The embedded lab (containers) is up with the same addresses: #{interface} has #{other}.\n" \
          "Remedy: make down, where it was started. Or keep both: #{another_subnet} vagrant up"
      else
        "#{@subnet}.0/24 is in use on this computer: interface #{interface}#{docker(interface)} has #{other}.\n#{remedy}"
      end
    end

    # `LAB_SUBNET=…` of a network that nobody here uses and that the provider allows; nil where there is none.
    def another_subnet
      free = ALTERNATIVES.find { |subnet| users(subnet).empty? && (@provider != "virtualbox" || !virtualbox_asks? || allowed?(subnet)) }
      "LAB_SUBNET=#{free}" if free
    end

    # Interface => its network, for each that overlaps: of Linux' routing table, elsewhere of the interfaces' addresses.
    def users(subnet)
      (routes || interfaces).select { |name, other| overlap?(other, network(subnet)) && !own?(name) }
                            .to_h { |name, other| [name, spell(other)] }
    end

    def overlap?(one, other)
      contains?(one, other) || contains?(other, one)
    end

    # IPAddr#include? of older Rubies looks at the first address alone.
    def contains?(outer, inner)
      [inner.to_range.first, inner.to_range.last].all? { |address| outer.include?(address) }
    end

    def own?(interface)
      OWN_INTERFACES.fetch(@provider, /\A\z/).match?(interface) || interface == libvirt_bridge
    end

    # The bridge of our network, where an interrupted run has left it.
    def libvirt_bridge
      return unless @provider == "libvirt"

      @libvirt_bridge ||= @run.call("virsh", "--connect=qemu:///system", "net-info", "revezamento-#{@subnet}").to_s[/^Bridge:\s+(\S+)/, 1] || "none"
    end

    def routes
      path = File.join(@root, "proc/net/route")
      return unless File.exist?(path)

      File.readlines(path).drop(1).map(&:split).filter_map do |name, destination, _, flags, _, _, _, mask|
        length = address(mask).to_i.to_s(2).count("1")
        next if length <= 1 || flags.hex.anybits?(REJECTED) # everything, also in two halves, as VPNs write it

        [name, address(destination).mask(length)]
      end
    end

    # The kernel writes addresses as it keeps them: the last number first.
    def address(hex)
      IPAddr.new([hex].pack("H*").unpack("C4").reverse.join("."))
    end

    def interfaces
      Socket.getifaddrs.filter_map do |interface|
        next unless interface.addr&.ipv4? && interface.netmask

        [interface.name, IPAddr.new("#{interface.addr.ip_address}/#{interface.netmask.ip_address}")]
      end
    end

    # Docker names its bridges after the network's id.
    def docker(interface)
      return " of Docker" if interface == "docker0"
      return unless interface.start_with?("br-")

      listed = @run.call("docker", "network", "ls", "--no-trunc", "--format={{.ID}} {{.Name}}").to_s.lines.map(&:split)
      _, name = listed.find { |id, _| id.start_with?(interface.delete_prefix("br-")) }
      " of Docker (docker network rm #{name} takes it away)" if name
    end

    def memory
      needed = @machines.sum { |machine| machine.memory_mb + HYPERVISOR_MB }
      free = free_memory_mb
      return if free.nil? || free >= needed

      "#{@machines.size} machines need #{needed} MB of memory, and this computer has #{free} MB to give.\n" \
        "Remedy: end what needs memory; or smaller memory_mb in inventory/lab/hosts.yml; or some machines alone, by their names."
    end

    # In MB; nil where nobody tells.
    def free_memory_mb
      meminfo = File.join(@root, "proc/meminfo")
      return File.read(meminfo)[/^MemAvailable:\s+(\d+) kB/, 1].to_i / 1024 if File.exist?(meminfo)

      @run.call("sysctl", "-n", "hw.memsize").to_i / 1024**2 if @system.include?("darwin")
    end
  end
end
