# frozen_string_literal: true

require "ipaddr"
require_relative "computer"

module Lab
  # The networks that VirtualBox allows: https://www.virtualbox.org/manual/ch06.html#network_hostonly
  class VirtualBox
    RANGE = IPAddr.new("192.168.56.0/21")
    CONFIGURATION = "/etc/vbox/networks.conf"
    RESTRICTS_SINCE = Gem::Version.new("6.1.28")
    ON_MACOS_UNTIL = Gem::Version.new("7.0.0")

    def initialize(computer)
      @computer = computer
    end

    # Whether VirtualBox allows host-only networks in `network`, an IPAddr.
    def allows?(network)
      !restricts? || ranges.any? { |range| range.ipv4? && VirtualBox.contains?(range, network) }
    end

    # Why it does not, and the two lines that allow it. other: `LAB_SUBNET=…` with an allowed network.
    def refusal(network, other)
      allowed = ranges.map { |range| cidr(range) }.join(", ")
      <<~TEXT.chomp
        VirtualBox blocks #{cidr(network)} until you allow it. Allowed now: #{allowed}.
        #{wrong_lines}Remedy: put these two lines into #{CONFIGURATION} (as root; create the file), with the asterisks:

        * #{cidr(RANGE)}
        * #{cidr(network)}

        Or use another network: #{other} vagrant up
      TEXT
    end

    # The DHCP server of VirtualBox's first network has 192.168.56.100, which may be a machine's address.
    # nil if no machine has a DHCP server's address.
    def dhcp_server(machines)
      servers = @computer.output_of("VBoxManage", "list", "dhcpservers").split(/\n{2,}/)
      servers.select { |server| server.match?(/^Enabled:\s+Yes/) }.each do |server|
        machine = machines.find { |listed| listed.address == server[/^(?:Dhcpd )?IP:\s+(\S+)/, 1] } || next
        return <<~TEXT.chomp
          VirtualBox has a DHCP server at #{machine.address}, the address of #{machine.name}. The lab does not need it.
          Remedy: VBoxManage dhcpserver remove --netname "#{server[/^NetworkName:\s+(.+)/, 1]}"
          Or use another network: LAB_SUBNET=192.168.57 vagrant up
        TEXT
      end
      nil
    end

    # IPAddr#include? of older Rubies compares only the first address.
    def self.contains?(outer, inner)
      [inner.to_range.first, inner.to_range.last].all? { |address| outer.include?(address) }
    end

    private

    def restricts?
      return false if @computer.windows?

      version = Gem::Version.new(@computer.output_of("VBoxManage", "--version")[/\d+(\.\d+)+/] || ON_MACOS_UNTIL)
      version >= RESTRICTS_SINCE && !(@computer.macos? && version >= ON_MACOS_UNTIL)
    end

    # The file replaces the default range.
    def ranges
      return [RANGE] unless configuration

      configuration.grep(/\A\s*\*/).flat_map { |line| line.delete("*").split.filter_map { |word| range(word) } }
    end

    # The lines that VirtualBox does not understand.
    def wrong_lines
      wrong = (configuration || []).reject do |line|
        line.strip.empty? || line.start_with?("#") ||
          (line.match?(/\A\s*\*/) && line.delete("*").split.all? { |word| range(word) })
      end
      wrong.map { |line| "This line of the file is not a range of networks: #{line.strip}\n" }.join
    end

    def configuration
      @computer.lines(CONFIGURATION)
    end

    def range(word)
      IPAddr.new(word)
    rescue IPAddr::Error
      nil
    end

    def cidr(range)
      "#{range}/#{range.prefix}"
    end
  end
end
