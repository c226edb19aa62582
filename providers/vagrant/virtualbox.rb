# frozen_string_literal: true

require "ipaddr"
require_relative "computer"

module Lab
  # What VirtualBox allows: https://www.virtualbox.org/manual/ch06.html#network_hostonly
  class VirtualBox
    RANGE = IPAddr.new("192.168.56.0/21")
    CONFIGURATION = "/etc/vbox/networks.conf"
    RESTRICTS_SINCE = Gem::Version.new("6.1.28")
    ON_MACOS_UNTIL = Gem::Version.new("7.0.0")

    def initialize(computer)
      @computer = computer
    end

    # Whether a machine may be in the network, an IPAddr.
    def allows?(network)
      !restricts? || ranges.any? { |range| range.ipv4? && VirtualBox.contains?(range, network) }
    end

    # Why it may not, and the two lines that allow it. other: `LAB_SUBNET=…` that is allowed.
    def refusal(network, other)
      <<~TEXT.chomp
        VirtualBox refuses host-only networks in #{spell(network)}: it allows #{ranges.map { |r| spell(r) }.join(', ')}.
        #{wrong_lines}Remedy: these two lines in #{CONFIGURATION} (make the file, as root), stars included:

        * #{spell(RANGE)}
        * #{spell(network)}

        Or move the lab: #{other} vagrant up
      TEXT
    end

    # Its first network has a server for DHCP at 192.168.56.100, which may be the address of a Lab::Machine.
    # Nil where all is well.
    def dhcp_server(machines)
      servers = @computer.ask("VBoxManage", "list", "dhcpservers").split(/\n{2,}/)
      servers.select { |server| server.match?(/^Enabled:\s+Yes/) }.each do |server|
        machine = machines.find { |known| known.address == server[/^(?:Dhcpd )?IP:\s+(\S+)/, 1] } || next
        return <<~TEXT.chomp
          VirtualBox has a server for DHCP at #{machine.address}, the address of #{machine.name}; the lab needs none.
          Remedy: VBoxManage dhcpserver remove --netname "#{server[/^NetworkName:\s+(.+)/, 1]}"
          Or another network: LAB_SUBNET=192.168.57 vagrant up
        TEXT
      end
      nil
    end

    # IPAddr#include? of older Rubies looks at the first address alone.
    def self.contains?(outer, inner)
      [inner.to_range.first, inner.to_range.last].all? { |address| outer.include?(address) }
    end

    private

    def restricts?
      return false if @computer.windows?

      version = Gem::Version.new(@computer.ask("VBoxManage", "--version")[/\d+(\.\d+)+/] || ON_MACOS_UNTIL)
      version >= RESTRICTS_SINCE && !(@computer.macos? && version >= ON_MACOS_UNTIL)
    end

    # With the file its lines are all that counts.
    def ranges
      return [RANGE] unless configuration

      configuration.grep(/\A\s*\*/).flat_map { |line| line.delete("*").split.filter_map { |word| range(word) } }
    end

    # A word about lines that VirtualBox does not understand.
    def wrong_lines
      wrong = (configuration || []).reject do |line|
        line.strip.empty? || line.start_with?("#") ||
          (line.match?(/\A\s*\*/) && line.delete("*").split.all? { |word| range(word) })
      end
      wrong.map { |line| "In the file, this is no range of networks: #{line.strip}\n" }.join
    end

    def configuration
      @computer.lines(CONFIGURATION)
    end

    def range(word)
      IPAddr.new(word)
    rescue IPAddr::Error
      nil
    end

    def spell(range)
      "#{range}/#{range.prefix}"
    end
  end
end
