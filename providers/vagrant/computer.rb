# frozen_string_literal: true

require "ipaddr"
require "open3"
require "rbconfig"
require "socket"

module Lab
  # What the preflight reads from this computer: files, commands, networks, memory.
  class Computer
    REJECTED = 0x200 # RTF_REJECT: the route refuses traffic, so the network is not in use

    # A command's output; nil if it fails or is not installed.
    SHELL = lambda do |*command|
      printed, status = Open3.capture2(*command, err: File::NULL)
      printed if status.success?
    rescue SystemCallError
      nil
    end

    # root: the file system's root; run: how commands are run; system: Ruby's `host_os`.
    def initialize(root: "/", run: SHELL, system: RbConfig::CONFIG["host_os"])
      @root, @run, @system = root, run, system
    end

    # The lines of a file; nil if it does not exist.
    def lines(path)
      path = File.join(@root, path)
      File.readlines(path, chomp: true) if File.exist?(path)
    end

    # A command's output; "" if it fails or is not installed.
    def output_of(*command)
      @run.call(*command).to_s
    end

    def windows?
      @system.match?(/mswin|mingw|windows/)
    end

    def macos?
      @system.include?("darwin")
    end

    # In MB; nil if unknown.
    def free_memory_mb
      available = lines("proc/meminfo")&.find { |line| line.start_with?("MemAvailable:") }
      return available.split[1].to_i / 1024 if available

      output_of("sysctl", "-n", "hw.memsize").to_i / 1024**2 if macos?
    end

    # [interface, network] for each network in use: on Linux from the routes, elsewhere from the interfaces' addresses.
    def networks
      routes = lines("proc/net/route") || (return interfaces)
      routes.drop(1).map(&:split).filter_map do |name, destination, _, flags, _, _, _, mask|
        length = address(mask).to_i.to_s(2).count("1")
        next if length <= 1 || flags.hex.anybits?(REJECTED) # the default route, which VPNs split into two halves

        [name, address(destination).mask(length)]
      end
    end

    private

    # The kernel prints addresses in little-endian byte order.
    def address(hex)
      IPAddr.new([hex].pack("H*").unpack("C4").reverse.join("."))
    end

    def interfaces
      Socket.getifaddrs.filter_map do |interface|
        next unless interface.addr&.ipv4? && interface.netmask

        [interface.name, IPAddr.new("#{interface.addr.ip_address}/#{interface.netmask.ip_address}")]
      end
    end
  end
end
