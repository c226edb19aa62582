# frozen_string_literal: true

require "rbconfig"
require_relative "problem"

module Lab
  # A Vagrant box: its name, and the version to use (nil: whichever is there).
  Box = Struct.new(:name, :version, :architecture) do
    # Writes it into `config.vm` of a machine. Vagrant knows architectures from 2.4 on.
    def apply(config)
      config.vm.box = name
      config.vm.box_version = version if version
      config.vm.box_architecture = architecture if config.vm.respond_to?(:box_architecture=)
    end
  end

  # Which box for which Debian, provider and processor.
  module Boxes
    BENTO = %w[virtualbox vmware_desktop parallels].product(%w[amd64 arm64]).freeze
    TABLE = {
      "trixie" => {
        **BENTO.to_h { |place| [place, ["bento/debian-13", "202510.26.0"]] },
        %w[libvirt amd64] => ["debian/trixie64", "13.20260519.1"],
        %w[libvirt arm64] => ["cloud-image/debian-13", "20260819.2575.0"]
      },
      "bookworm" => {
        **BENTO.to_h { |place| [place, ["bento/debian-12", "202510.26.0"]] },
        %w[libvirt amd64] => ["debian/bookworm64", "12.20250126.1"],
        %w[libvirt arm64] => ["cloud-image/debian-12", "20250703.2162.0"]
      }
    }.freeze

    # release: a Debian's name. own: another box's name, for LAB_BOX, or nil. Raises Problem where there is none.
    def self.choose(release, provider, architecture, own: nil)
      boxes = TABLE.fetch(release) do
        known = TABLE.keys.map { |name| "LAB_RELEASE=#{name}" }.join(" or ")
        raise Problem, "LAB_RELEASE=#{release} is not known. Remedy: #{known}."
      end
      return Box.new(own, nil, architecture) if own

      name, version = boxes.fetch([provider, architecture]) do
        raise Problem, "There is no box for #{provider} on #{architecture}. Remedy: LAB_BOX=name of one that you have."
      end
      Box.new(name, version, architecture)
    end

    # This computer's processor, as boxes name it.
    def self.architecture(cpu = RbConfig::CONFIG["host_cpu"])
      /arm64|aarch64/i.match?(cpu) ? "arm64" : "amd64"
    end
  end
end
